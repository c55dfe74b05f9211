// Added to Locust's page: the field Host shows the services that are chosen.
const MOST_NAMED = 4;
const addresses = JSON.parse(document.querySelector(".to-live").dataset.addresses);

document.addEventListener("change", ({ target }) => {
  if (target.name !== "service") return;
  const chosen = [...target.selectedOptions].map((option) => option.value);
  const names = chosen.length > MOST_NAMED ? `${chosen.length} services` : chosen.join(", ");
  target.form.elements.host.value = chosen.length === 1 ? addresses[chosen[0]] : names;
});
new MutationObserver(() => {
  for (const host of document.querySelectorAll("form [name=host]")) {
    Object.assign(host, { readOnly: true, tabIndex: -1 });
  }
  for (const select of document.querySelectorAll("form [name=service]:not([data-seen])")) {
    select.dataset.seen = "";
    const [first] = select.selectedOptions;
    if (first) select.scrollTop = first.index * first.offsetHeight + 16; // so that it is in sight
  }
}).observe(document.body, { childList: true, subtree: true });
