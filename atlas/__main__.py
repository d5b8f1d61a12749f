"""`python -m atlas` is the command `atlas`."""

from atlas.cli import app

if __name__ == "__main__":
    app(prog_name="atlas")
