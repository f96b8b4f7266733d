// Copied beside the installed packages, because an `import` is resolved from its own file.
/** @param {string} name */
export const load = (name) => import(name);
