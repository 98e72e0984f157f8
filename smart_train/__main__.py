"""`python -m smart_train` is `smart-train`."""

from smart_train.cli import main

if __name__ == "__main__":
    main()
