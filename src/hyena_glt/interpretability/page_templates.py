"""Templates of the pages that are written for browsers."""

import jinja2


def page_templates() -> jinja2.Environment:
    """An environment that knows the templates of this package.

    What is put into a page is escaped, and a name that a template misspells is an error.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("hyena_glt.interpretability"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
