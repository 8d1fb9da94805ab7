// Run by the system's Node before `npm start`, `npm test`, `npm run check` and `npm run build`, before anything is
// installed: so it has no dependencies, and this first part is readable by very old versions of Node.
const NODE_MAJOR_MIN = 20;

if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `Node ${process.versions.node} is too old: ${NODE_MAJOR_MIN} or newer is needed; install it with: npm install --global node@24\n`,
  );
  process.exit(1);
}

import("./install-dependencies.mjs")
  .then((module) => module.installDependencies())
  .catch((error) => {
    if (error.name !== "InstallFailed") process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
