"""``python -m hyena_glt`` is ``hyena-glt``; ``torchrun -m hyena_glt`` runs it in several processes."""

from hyena_glt.cli.main import main

if __name__ == "__main__":
    main()
