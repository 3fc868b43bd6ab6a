"""The command line: a thin skin over ``suan.client``.

Contract: every command reads its options, makes calls, and shows the answer as a table for people
or, with ``--json``, as the API's own JSON for programs. ``table.COMMANDS`` names the commands
without loading them; ``main.build`` makes the group. Errors become two or three lines and an exit
code in one place (``exits``); units become words in one place (``format``).

Not for: deciding anything, or anything that the SDK could not do as well. What needs the server's
own classes (``serve``, ``replay``) is added by ``suan.app``.
"""
