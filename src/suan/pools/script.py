"""How a task with a ``setup`` is run, whatever the pool."""

# In one shell, so that `run` sees what `setup` did; both lie in the run's directory.
SETUP_AND_RUN = (
    '. "$SUAN_RUN_DIR/setup"\n'
    "suan_setup=$?\n"
    'if [ "$suan_setup" -ne 0 ]; then\n'
    '  echo "suan: setup failed with exit code $suan_setup" >&2\n'
    '  exit "$suan_setup"\n'
    "fi\n"
    "unset suan_setup\n"
    '. "$SUAN_RUN_DIR/run"\n'
)
