"""The contract of services/CONTRACT.md, black box over HTTP, for every folder there is."""

import pytest

pytest.register_assert_rewrite("tests.contract.client")
