"""The Python example of Documentation/reconstruction.md runs."""
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "Documentation" / "reconstruction.md"


def test_the_example_of_the_page_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(example, str(PAGE), "exec"), names)
    assert names["x"].shape == (1, 100, 100) and "ssim=" in capsys.readouterr().out
    found = names["difference"](names["x"].numpy(), names["phantom"].voxelise(names["grid"]))
    assert found.relative_error < 0.3
