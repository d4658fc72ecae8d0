import pytest


@pytest.fixture
def command():
    """Runs a command's main and gives its exit status."""

    def run(main, *arguments):
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            return stopped.code

    return run
