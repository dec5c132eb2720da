"""What a person sees: a line a task, and in a terminal what runs."""

import io

from minirmae.comparison.reporter import TerminalReporter


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(stream):
    reporter = TerminalReporter(stream)
    reporter.running({"ae seed 0": "step 3/9", "features": "starting"})
    reporter.done("features", "done")
    reporter.running({"ae seed 0": "step 4/9"})
    return stream.getvalue()


def test_a_file_gets_lines():
    assert show(io.StringIO()) == "features: done\n"


def test_a_terminal_gets_a_line_that_changes():
    text = show(Terminal())
    assert "\r0 done  ae seed 0: step 3/9  features: starting\x1b[K" in text
    assert text.endswith("\r1 done  ae seed 0: step 4/9\x1b[K")


def test_a_long_line_does_not_wrap():
    stream = Terminal()
    TerminalReporter(stream).running({f"method {k}": "step 1/1000" for k in range(20)})
    assert len(stream.getvalue().removeprefix("\r").removesuffix("\x1b[K")) < 80
