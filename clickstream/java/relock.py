"""Resolve the roots in jars.toml again and pin what they need: `python -m clickstream.java.relock [SET...]`.

For maintainers, after a `root` line was added or raised. Every file is downloaded again and hashed here, so
review the difference: from then on everybody's files must match it.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from clickstream.java.lockfile import LOCK_FILE, Jar, JarSet, read, render


def resolve(jar_set: JarSet, work: Path) -> JarSet:
    """The set with the jars that its roots need at run time, freshly downloaded below `work`."""
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=work, timeout=30)
    jars: dict[str, Jar] = {}
    # One root at a time, the first one's choice of versions wins: resolved together, each root's
    # dependencyManagement would change the versions that the other was released with.
    for root in map(context.create_dependency, jar_set.roots):
        _, nodes = context.resolver.get_dependency_list([root])
        for dependency in [root, *(node.dep for node in nodes)]:
            project = ":".join([dependency.groupId, dependency.artifactId, dependency.classifier])
            if project not in jars:
                content = dependency.artifact.resolve().read_bytes()
                parts = [dependency.groupId, dependency.artifactId, dependency.version, dependency.classifier]
                coordinate = ":".join(part for part in parts if part)
                jars[project] = Jar(coordinate, hashlib.sha256(content).hexdigest(), len(content))
    return JarSet(jar_set.name, jar_set.roots, tuple(sorted(jars.values(), key=lambda jar: jar.coordinate)))


def main(names: list[str]) -> None:
    """Resolve the named sets again, or all, and write the lock file."""
    sets = read()
    with tempfile.TemporaryDirectory() as work:
        for name in names or list(sets):
            sets[name] = resolve(sets[name], Path(work))
            print(f"{name}: {len(sets[name].jars)} jars, {sets[name].size / 1e6:.1f} MB", file=sys.stderr)
    LOCK_FILE.write_text(render(sets), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
