"""``python -m hyena_glt`` is ``hyena-glt``, so that ``torchrun`` can start it in many processes."""

from hyena_glt.cli.main import main

if __name__ == "__main__":
    main()
