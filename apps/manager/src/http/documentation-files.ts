/** Files that the page at /docs is made of, and their content types. All but `start.js` come from swagger-ui-dist. */
export const DOCUMENTATION_FILES: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css",
  "swagger-ui-bundle.js": "text/javascript",
  "favicon-32x32.png": "image/png",
  "start.js": "text/javascript",
};
