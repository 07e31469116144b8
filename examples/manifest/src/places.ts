import { hash } from 'node:crypto'
import { realpath } from 'node:fs/promises'

/** Where a run keeps what it needs until the manifest is whole: beside the manifest. */
export interface Places {
  /** The database of its queue. */
  readonly queue: string
  /** What one run holds, so that no other begins. */
  readonly lock: string
  /** Where the manifest grows. */
  readonly temporary: string
}

/** What SQLite puts beside a database. Old ones would be taken for those of a new database: they go first. */
const BESIDE_DATABASE = ['-wal', '-shm', '-journal']

/** The places of the run that hashes `folder` for `output`: the same each time, and others for another folder or output. */
export async function placesFor(folder: string, output: string): Promise<Places> {
  const base = `${output}.${hash('sha256', await realpath(folder)).slice(0, 8)}`
  return { queue: `${base}.queue`, lock: `${base}.lock`, temporary: `${base}.tmp` }
}

/** Every file that may lie there, those of a database in the order to remove them. */
export function filesAt({ queue, lock, temporary }: Places): readonly string[] {
  return [...databaseFiles(queue), lock, temporary]
}

/** The files of the database at `path`, in the order to remove them. */
export function databaseFiles(path: string): readonly string[] {
  return [...BESIDE_DATABASE.map((suffix) => path + suffix), path]
}
