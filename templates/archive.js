// What the page of an archive can do besides: select all, add up, mind a choice that is not used yet.
{
  const form = document.querySelector("form");
  const { lang } = document.documentElement;
  const boxes = [...form.querySelectorAll("[name=file]")];
  const files = boxes.filter((box) => box.dataset.size);
  const folders = boxes.filter((box) => !box.dataset.size);
  const inside = (folder) => folder.parentNode.querySelectorAll(":scope ul [name=file]");
  const output = form.querySelector("output");
  const forms = JSON.parse(form.dataset.forms);
  const plural = new Intl.PluralRules(lang);
  const number = new Intl.NumberFormat(lang);
  let unused = false;

  const formatBytes = (bytes) => {
    const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let value = Number(bytes.toPrecision(3)), unit = 0;
    while (value >= 1000 && unit < 4) value /= 1000, unit++;
    const options = { style: "unit", unit: names[unit], unitDisplay: "narrow" };
    return new Intl.NumberFormat(lang, options).format(value).replace(
      /(\d)(?=[^\d.,\s])/,
      "$1\u00a0",
    );
  };

  /** The innermost folders are last, so that each looks at those inside it when they are right. */
  const mark = () => {
    for (const folder of folders.toReversed()) {
      const all = [...inside(folder)];
      folder.checked = all.length > 0 ? all.every((box) => box.checked) : folder.checked;
      folder.indeterminate = !folder.checked && all.some((box) => box.checked);
    }
  };

  const tell = () => {
    const chosen = files.filter((box) => box.checked);
    const size = chosen.reduce((sum, box) => sum + Number(box.dataset.size), 0);
    const noun = forms[plural.select(chosen.length)] ?? forms.other;
    output.value = chosen.length === 0
      ? ""
      : `${number.format(chosen.length)}\u00a0${noun} · ${formatBytes(size)}`;
  };

  const change = (changed) => {
    changed();
    mark();
    tell();
    unused = boxes.some((box) => box.checked);
  };

  form.addEventListener("change", ({ target }) =>
    change(() => {
      if (folders.includes(target)) {
        for (const box of inside(target)) box.checked = target.checked;
      }
    }));
  for (const [name, checked] of [["all", true], ["none", false]]) {
    form.querySelector(`[data-${name}]`).addEventListener("click", () =>
      change(() => {
        for (const box of boxes) box.checked = checked;
      }));
  }
  form.querySelector(".all").hidden = false;

  // A folder stands for all that is in it, so that the link stays short.
  form.addEventListener("submit", (event) => {
    // The key Enter on an empty box sends the form, too.
    if (!boxes.some((box) => box.checked)) return event.preventDefault();
    unused = false;
    const covered = folders.filter((box) => box.checked).flatMap((box) => [...inside(box)]);
    for (const box of covered) box.disabled = true;
    const length = new URLSearchParams(new FormData(form)).toString().length;
    form.method = length > Number(form.dataset.max) ? "post" : "get";
    setTimeout(() => {
      for (const box of covered) box.disabled = false;
    });
  });

  addEventListener("beforeunload", (event) => {
    if (unused) event.preventDefault();
  });
  // A browser that comes back may have kept the choice.
  addEventListener("pageshow", () => change(() => {}));
}
