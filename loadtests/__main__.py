"""`python -m loadtests`: the program `waits`, as make calls it."""

from loadtests.cli.main import main

if __name__ == "__main__":
    main()
