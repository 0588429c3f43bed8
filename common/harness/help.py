"""What --help prints: what a script is for, commands to begin with, a line for each option: one screen.

--help-all prints tyro's: every option in full.

No Keras in here.
"""

import dataclasses
import functools
import inspect
import pathlib
import re
import types
import typing

from common.harness.language import in_users_language

LINES, WIDTH, EXAMPLES = 40, 110, 3
# options that make an example where the docstring has less than three, with what to say for their values
HANDY = {"smoke": "", "epochs": " 5", "count": " 5", "json": "", "seed": " 1", "out": " runs/try",
         "table": "", "run": " RUN"}


def short_help(config_class, description, program):
    """The text of --help, at most LINES lines of WIDTH columns.

    Args:
        config_class: a dataclass of options; those of its last base, where it has one, come last.
        description: the script's docstring, whose commands are the examples.
        program: the script as it is typed, such as vae/train.py.
    """
    options = options_of(config_class)
    head = [f"usage: python {program} [OPTIONS]", *summary(description), "",
            *(f"    {command}" for command in examples(description, options, program)), ""]
    ending = [in_users_language("--help-all: all of it, in full", "--help-all：全部选项的详细说明")]
    room = LINES - len(head) - len(ending)
    shown = options if len(options) <= room else options[:room - 1]
    names = max((len(option.typed) for option in shown), default=0)
    lines = [cut(f"  {option.typed:<{names}}  {option.text}") for option in shown]
    if rest := options[len(shown):]:
        lines.append(cut(in_users_language("  and: ", "  还有：") + " ".join(option.flag for option in rest)))
    return "\n".join([*head, *lines, *ending])


@dataclasses.dataclass(frozen=True)
class Option:
    """An option: how it is typed, with its type or choices, and what it does, with its default."""

    name: str
    flag: str
    typed: str
    text: str


def options_of(config_class):
    """The Options of a dataclass, its own before those of its bases."""
    fields = dataclasses.fields(config_class)
    own = {name for name in config_class.__dict__.get("__annotations__", {})}
    hints = typing.get_type_hints(config_class, include_extras=True)
    texts = texts_of(config_class)
    found = [option_of(field, hints[field.name], texts.get(field.name, "")) for field in fields]
    return sorted(found, key=lambda option: option.name not in own)


def option_of(field, hint, text):
    """The Option of a field."""
    extras = getattr(hint, "__metadata__", ())
    text = next((extra.help for extra in extras if getattr(extra, "help", None)), text)
    positional = "Positional" in str(extras)
    flag = field.name if positional else f"--{field.name.replace('_', '-')}"
    if field.default is True:
        flag, text = f"--no-{flag.removeprefix('--')}", f"Switches off: {text}"
    default = field.default if field.default is not dataclasses.MISSING else None
    if isinstance(default, pathlib.Path):
        default = short_path(default)
    kind = "" if isinstance(default, bool) else f" {kind_of(hint)}"
    sentence = re.split(r"(?<=[^.]\.)\s(?=[A-Z\d])", " ".join(text.split()))[0]
    given = "" if default in (None, "", ()) or isinstance(default, bool) else f" ({default})"
    return Option(field.name, flag, f"{flag}{kind}", f"{sentence.removesuffix('.')}{given}")


def kind_of(hint):
    """The values of a type in few letters: choices, or INT, FLOAT, PATH, TEXT."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return kind_of(parts[0])
    if origin is typing.Literal:
        choices = ",".join(map(str, parts))
        return f"{{{choices}}}" if len(choices) <= 26 else "NAME"
    if origin in (typing.Union, types.UnionType):
        return kind_of(next(part for part in parts if part is not type(None)))
    if origin is tuple:
        return f"{kind_of(parts[0])} ..."
    return {int: "INT", float: "FLOAT", pathlib.Path: "PATH"}.get(hint, "TEXT")


@functools.cache
def texts_of(config_class):
    """name → what stands below a field in its class, for the class and its bases."""
    import docstring_parser  # by which tyro reads them, too

    found = {}
    for ancestor in reversed(config_class.__mro__):
        if dataclasses.is_dataclass(ancestor) and has_source(ancestor):
            parsed = docstring_parser.parse_from_object(ancestor)
            found |= {part.arg_name: part.description or "" for part in parsed.params}
    return found


def has_source(config_class):
    """Whether a class stands in a file: those that make_dataclass makes do not."""
    try:
        return f"class {config_class.__name__}" in inspect.getsource(config_class)
    except (OSError, TypeError):
        return False


def summary(description):
    """The first sentence or two of a docstring."""
    first = (description or "").strip().split("\n\n")[0]
    return [line.strip() for line in first.splitlines()][:3]


def examples(description, options, program):
    """Three commands: those of the docstring, and where they are fewer, some with handy options."""
    lines = [line.strip() for line in (description or "").splitlines()]
    found = [cut(line, WIDTH - 4) for line in lines if line.startswith(("python ", "make "))]
    names = {option.name for option in options}
    for name, value in HANDY.items():
        if name in names and f"--{name}" not in " ".join(found):
            found.append(f"python {program} --{name}{value}")
    return [*found, f"python {program} --help-all"][:EXAMPLES]


def short_path(path):
    """A path below the repository as it is typed there."""
    from common.harness.writing import ROOT

    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def cut(line, width=WIDTH):
    """A line of at most so many columns, whose end is left out."""
    return line if len(line) <= width else f"{line[:width - 1].rstrip()}…"
