"""Programs that evaluate, each in a process of its own: :mod:`worker` and what it is asked to open.

They are run by path, and nothing of MD Bridge is loaded unless it is what is measured;
:mod:`raw_call` and :mod:`compiled_call` have its policy of waiting threads, as the hosts that they
are compared with.
"""
