"""Standing here, this file puts tests/ on the import path: every test can `import cases`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell makes what it starts in the background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
