// Light or dark, as somebody chose on this page before. It runs before anything is painted, so that
// nothing flashes: that is why it is no module.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's choice holds.
}
