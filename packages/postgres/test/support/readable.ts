import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * A copy of a PostgreSQL that every user may run, for one that lies where only root may enter: made once, in `parent`, and
 * used again. `folder` is that of its programs, and its libraries lie beside that. Gives back the folder of the copied ones.
 */
export function readableCopy(folder: string, version: number, parent: string): string {
  const prefix = realpathSync(dirname(folder))
  const { size } = statSync(join(folder, 'postgres'))
  const copy = join(parent, `apalis-postgres-${version}-${size}`)
  if (!isOurs(copy)) make(prefix, copy, parent)
  return join(copy, 'bin')
}

/** Anybody may put something into the folder of temporary files. */
function isOurs(copy: string): boolean {
  const found = lstatSync(copy, { throwIfNoEntry: false })
  if (found === undefined) return false
  if (found.isDirectory() && found.uid === process.getuid?.()) return true
  throw new Error(`${copy} belongs to somebody else`)
}

function make(prefix: string, copy: string, parent: string): void {
  const own = mkdtempSync(join(parent, 'apalis-postgres-copy-'))
  try {
    cpSync(prefix, own, { recursive: true, verbatimSymlinks: true })
    chmodSync(own, 0o755)
    for (const entry of readdirSync(own, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isDirectory()) chmodSync(path, 0o755)
      else if (entry.isFile()) chmodSync(path, statSync(path).mode | 0o444)
    }
    // Whole or not at all: another test file may look for it now.
    renameSync(own, copy)
  } catch (error) {
    rmSync(own, { recursive: true, force: true })
    // Another was faster.
    if (!isOurs(copy)) throw error
  }
}
