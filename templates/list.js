// What the owner's list can do besides: copy a link.
{
  const copy = async (text) => {
    // Only pages that came by HTTPS, or from this machine, have a clipboard.
    if (navigator.clipboard) return await navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  for (const button of document.querySelectorAll("button[data-link]")) {
    button.hidden = false;
    const { textContent } = button;
    button.addEventListener("click", async () => {
      await copy(new URL(button.dataset.link, location.href).href);
      button.textContent = button.dataset.done;
      setTimeout(() => button.textContent = textContent, 2000);
    });
  }
}
