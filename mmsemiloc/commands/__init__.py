"""What each tool does once its arguments are parsed: ``mmsemiloc.commands.train.run(args)`` is the
work of tools/train.py.

The doors in tools/ import nothing slow, so that ``--help`` is answered at once.
"""
