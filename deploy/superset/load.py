"""Import the assets beside this file into a Superset, or update what was imported before.

There are those on PostgreSQL and those on Druid: what the environment says where it is, is imported.
`superset import-dashboards` leaves charts and datasets as they are once they exist; this updates them, too.

python deploy/superset/load.py [USER]   with the Python of Superset and its environment; USER (admin) owns what is new

Exits with 1 if there is no such user, if an asset is refused, or if no database is named.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"
# The variables of superset_config.py, by the folders of the assets.
VARIABLES = {"postgres": "CLICKSTREAM_SUPERSET_POSTGRES", "druid": "CLICKSTREAM_SUPERSET_DRUID"}


def named(environment: Mapping[str, str]) -> list[str]:
    """The folders of the assets whose database is named."""
    return [folder for folder, variable in VARIABLES.items() if environment.get(variable)]


def contents(folder: str) -> dict[str, str]:
    """The texts of the assets in a folder by their names, as Superset has them of a bundle."""
    place = ASSETS / folder
    return {path.relative_to(place).as_posix(): path.read_text("utf-8") for path in sorted(place.rglob("*.yaml"))}


def main(user: str) -> int:
    """Import them as `user`."""
    folders = named(os.environ)
    if not folders:
        print(f"Nothing to import: set {' or '.join(VARIABLES.values())}, as for Superset.", file=sys.stderr)
        return 1
    from flask import g
    from superset.app import create_app

    with create_app().app_context():
        from superset import security_manager
        from superset.commands.exceptions import CommandInvalidError
        from superset.commands.importers.v1.assets import ImportAssetsCommand

        g.user = security_manager.find_user(username=user)
        if g.user is None:
            print(f"Superset has no user {user}: superset fab create-admin --username {user}", file=sys.stderr)
            return 1
        for folder in folders:
            found = contents(folder)
            try:
                ImportAssetsCommand(found).run()
            except CommandInvalidError as error:
                print(f"Superset refuses the assets of {folder}: {error.normalized_messages()}", file=sys.stderr)
                return 1
            print(f"imported or updated: {len(found)} files of {ASSETS / folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "admin"))
