// Icons are words in a font that draws them ("shopping_cart"): a screen reader would read them out. They are hidden from
// it, those that come later too; a button or link that has nothing but its icon is named by it.
(() => {
    const ICONS = ".material-symbols-outlined";
    const isNamed = (control) =>
        control.hasAttribute("aria-label") ||
        control.title ||
        [...control.childNodes].some((node) => node.textContent.trim() && !node.matches?.(ICONS));

    const hide = (icon) => {
        const control = icon.closest("a, button, [role=button]");
        if (icon.ariaHidden !== "true") {
            if (control && !isNamed(control)) control.setAttribute("aria-label", icon.textContent.trim().replaceAll("_", " "));
            icon.ariaHidden = "true";
        }
    };
    const hideAll = () => document.querySelectorAll(ICONS).forEach(hide);
    document.addEventListener("DOMContentLoaded", () => {
        hideAll();
        new MutationObserver(hideAll).observe(document.body, { childList: true, subtree: true });
    });
})();
