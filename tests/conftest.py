"""Tests do not depend on how they were started.

Hypothesis draws the same examples on every run and does not time them: speed is no test's business. A shell that
starts them in the background lets them ignore Ctrl-C; those that send it to themselves want it back.
"""

import signal

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests share is imported by its own name and not collected.
collect_ignore_glob = ["support/*"]
