// The repository runs on the Node that its dev dependency `node` pins: `npm run` finds it first in
// node_modules/.bin. Where its binary is missing, another Node runs this file, and says so.
// Plain JavaScript, so that any Node can run it.
import { existsSync, readFileSync } from 'node:fs'

const { devDependencies } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)
const pinned = devDependencies.node

if (process.versions.node !== pinned) {
  const installed = existsSync(new URL('../node_modules/node/package.json', import.meta.url))
  const remedy = installed ? 'npm rebuild node --ignore-scripts=false' : 'npm install'
  console.error(
    `Node ${pinned} is missing from node_modules (this is Node ${process.versions.node}): ` +
      `run \`${remedy}\`, then this again with \`npm run\`.`,
  )
  process.exit(1)
}
