"""Everything made of the `run.json` files: reports, charts, the index, figures in documents."""
