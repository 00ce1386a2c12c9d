for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "copied" : "press Ctrl+C";
  });
}
