"""The tutorials, and the other vignettes that run flows, print what their text says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from r_scripts import Folder

VIGNETTES = Path(__file__).parents[3] / "vignettes"

PRINTED = {
    "tutorial-1-first-flow": [
        r"summarise/2 \(pid \d+\)\] 4     8 59\.96154$",
        r"end/3 \(pid \d+\)\] Most ozone in month 8$",
        r"^#> <run OzoneFlow/\d+> successful after ",
        r"^#> \[1\] TRUE$",
        r"^#> 2 summarise       2 successful ",
        r"^#> 2 \d+ successful  ada$",
    ],
    "tutorial-2-branches-and-parameters": [
        r"start/1 \(pid \d+\)\] 20 guinea pigs got 0\.5 mg a day$",
        r"end/5 \(pid \d+\)\] Differs at the level 0\.05: TRUE$",
        r"end/5 \(pid \d+\)\] Differs at the level 0\.05: FALSE$",
        r"doze.*did you mean `dose`",
        r"^#> 1 \d+ successful high-dose$",
        r"^#> 1  2\.0   FALSE$",
        r"^#>   --level FLOAT +largest p value that counts as a difference$",
        r"end/3 \(pid \d+\)\] \[1\] \"powder\"$",
    ],
    "tutorial-3-foreach-models": [
        r"\] sqrt\(dist\) degree 1: 15\.30 feet$",
        r"end/9 \(pid \d+\)\] 4      1 sqrt\(dist\) 15\.3029$",
        r"^#> 4      1 sqrt\(dist\) 15\.30290$",
        r"^#> \[1\] \"lm\"$",
        r"^#> 20\.26058 59\.68027",
        r"^#>   split      grid 1 of 6: ",
        r"^#> \[1\] TRUE$",
    ],
    "tutorial-4-failure-and-resume": [
        r"^#> ! Step compare failed: \d+/compare/4, split 3 of 4: 3$",
        r"^#>   at gearbox\.R:9 in compare\(self\)$",
        r"^#> 4 compare     2     failed grouping factor must have exactly 2 levels$",
        r"^#>   compare\[2\]  run again  failed in \d+$",
        r"start/1\] Cloning results of a previously run task \d+/start/1$",
        r"collect/6 \(pid \d+\)\] \[1\] 0\.033 0\.027    NA 0\.077$",
        r"^#> resumed from a run that failed$",
        r"^#> tasks of `compare` that ran: 2 of 4 *$",
        r"^#>   start       clone      finished in \d+$",
    ],
    "metaflow": [
        r"compare/4 \(pid \d+\)\] 3\.93 3\.58 $",
        r"^#> 3\.932409 3\.584194",
        r"^#> \[1\] 0\.5121429$",
    ],
    "debugging": [
        r"^#> Step fit failed: \d+/fit/4, split 3 of 4: 18$",
        r"^#>   at chicks\.R:6 in growth\(self\$input\)$",
        r"^#> fit    4     2      failed ",
        r"^#> Dumping task ChickFlow/\d+/fit/4$",
        r"^#> 2 growth\(self\$input\) chicks\.R    6$",
        r"^#> \[1\] 937\.0301 168\.0072 364\.6775$",
        r"^#> 4    fit     2     caught ",
        r"^#> 0 damaged objects\.$",
    ],
    "design": [
        r"cloning ─ TaskCloned ─",
        r"^#> StoreFlow/data/<2 digits>/<sha1>$",
        r"^#> StoreFlow/<run>/start/1/0\.DONE\.lock$",
        r"^#>   model   <R lm, ",
        r"^#>   words   \['a', 'b'\]$",
    ],
}


ALL = sorted(path.stem for path in VIGNETTES.glob("*.Rmd"))


def knit(names: list[str], parent: Path, **environment: str) -> dict[str, str]:
    """The vignettes as Markdown, by their names; all by one R."""
    pages = [f"{name}.Rmd" for name in names]
    folder = Folder.make(parent, [VIGNETTES / file for file in ("setup.R", *pages)])
    # A script with arguments, as a Makefile has it: they are not the words of the flows.
    program = "for (page in commandArgs(TRUE)) knitr::knit(page, quiet = TRUE, envir = new.env())"
    (folder.path / "knit.R").write_text(program, encoding="utf-8")
    folder.rscript("knit.R", *pages, **environment).expect(0)
    return {name: (folder.path / f"{name}.md").read_text(encoding="utf-8") for name in names}


@pytest.mark.parametrize("name", PRINTED)
def test_a_vignette_prints_what_its_text_says(name: str, tmp_path: Path) -> None:
    page = knit([name], tmp_path)[name]

    absent = [line for line in PRINTED[name] if not re.search(line, page, re.MULTILINE)]
    assert not absent, page


def test_without_a_python_for_it_every_vignette_shows_its_code_and_says_so(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)

    pages = knit(ALL, tmp_path, RETICULATE_PYTHON="", METAFLOW_PYTHON=str(bare / "bin" / "python"))

    assert {name for name, page in pages.items() if "**Not run.**" not in page} == set()
    assert {name for name, page in pages.items() if "\n#>" in page} == set()
    assert 'step(step = "start"' in pages["tutorial-1-first-flow"]
