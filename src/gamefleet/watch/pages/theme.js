// Sets the remembered colours before anything is drawn. A classic script, because modules run after the first paint.
(function () {
  "use strict";
  let wanted = null;
  try {
    wanted = localStorage.getItem("gamefleet-theme");
  } catch {
    // Storage may be forbidden; the system's preference then decides.
  }
  if (wanted === "dark" || wanted === "light") document.documentElement.dataset.theme = wanted;
})();
