// Copied beside the installed packages: an `import` is resolved from the file that it stands in.
/** @param {string} name */
export const load = (name) => import(name);
