"""What an error says in one line, and the place of its details."""

import builtins
import linecache
import logging
import os
import re
import sys
import traceback

# What a wrong config, argument or file raises; the rest is a fault of the program or machine.
USER_ERRORS = (ValueError, OSError, KeyError, TypeError, ImportError, AssertionError)
PLAIN = (ValueError, OSError)  # their messages are sentences: the type says nothing more
LONGEST = 1000  # characters of a line; a state dict can name each of a thousand tensors


def original(error: BaseException) -> tuple[str, str]:
    """Name and message of an error; of one from a dataloader's worker, as the worker met it."""
    name, text = type(error).__name__, str(error)
    if not re.match(r'Caught \w+ in .*\nOriginal Traceback', text):
        return name, text

    # The message begins below the last frame, with the type; frames and their source are indented.
    lines = text.splitlines()
    frames = [i for i, line in enumerate(lines) if re.match(r'  File ".*", line \d+', line)]
    below = range(frames[-1] + 1 if frames else 1, len(lines))
    message = '\n'.join(lines[next((i for i in below if not lines[i].startswith(' ')), 0) :])
    found = re.match(r'(?:[\w.]+\.)?(\w+)(?:: (.*))?$', message, re.S)
    return (found[1], found[2] or '') if found else (name, message)


def place_of(error: BaseException) -> str:
    """File, line and source of the place that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ''
    file, line = frames[-1].filename, frames[-1].lineno or 0
    return f'{file}, line {line}: {linecache.getline(file, line).strip()}'


def is_users(error: BaseException) -> bool:
    """Whether the user can mend the cause of an error: a wrong config, argument or file."""
    if isinstance(error, USER_ERRORS) or type(error).__module__.startswith('mmsemiloc'):
        return True
    kind = getattr(builtins, original(error)[0], None)
    return isinstance(kind, type) and issubclass(kind, USER_ERRORS)


def explain(error: BaseException) -> str:
    """One line for an error.

    A ValueError and a missing file speak for themselves; other errors are named by their type, and
    one without a message by the place that raised it.

    Example:
        >>> explain(KeyError('classes'))
        "KeyError: 'classes'"
    """
    # The message as the user should read it, of the error that a worker met.
    name, message = original(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        message = f'{error.strerror}: {error.filename}'

    # Whether it is a sentence, or needs the type of the error to be understood.
    kind = getattr(builtins, name, type(error) if type(error).__name__ == name else None)
    ours = getattr(kind, '__module__', '').startswith('mmsemiloc')
    plain = isinstance(kind, type) and (issubclass(kind, PLAIN) or ours)

    message = ' '.join(message.split())
    if name == 'KeyError' and ' ' in message:
        message = message.strip('\'"')  # a sentence; Python gives it in quotes, as it does a key
    if not message:
        plain, message = False, place_of(error)
    if len(message) > LONGEST:
        message = f'{message[:LONGEST]} …'
    return message if plain else f'{name}: {message}'.rstrip(': ')


def current_logger() -> logging.Logger | None:
    """The newest logger of MMEngine in this process; None if MMEngine was not imported."""
    module = sys.modules.get('mmengine.logging')
    return module.MMLogger.get_current_instance() if module else None


def write_details(error: BaseException) -> str | None:
    """Write the traceback of an error to the log of the run.

    Returns:
        The file; None if the run has none (yet).
    """
    logger = current_logger()
    text = ''.join(traceback.format_exception(error))

    for handler in logger.handlers if logger else ():
        if isinstance(handler, logging.FileHandler):
            handler.handle(logging.LogRecord('mmengine', logging.ERROR, '', 0, text, None, None))
            return os.path.relpath(handler.baseFilename)

    # Only the first process of a distributed run has a log file. All know its name.
    log = getattr(logger, 'log_file', None)
    if not log:
        return None
    root, ending = os.path.splitext(log)
    path = os.path.relpath(f'{root}_rank{os.environ.get("RANK", os.getpid())}{ending}')

    try:
        with open(path, 'a', encoding='utf-8') as file:
            file.write(text)
    except OSError:  # a full disk may be what the error is about
        return None
    return path
