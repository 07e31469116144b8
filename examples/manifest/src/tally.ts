import { type Digest, reasonOf } from './digest.ts'
import { type FileName, shown } from './names.ts'

/** So many problems are kept for the end; those after them are told at once. */
const KEPT = 1_000

/** What has been done so far, and what has gone wrong. */
export class Tally {
  /** How many files are known of. */
  found = 0
  /** Whether no more will be found. */
  foundAll = false
  /** Files in the manifest, or about to be. */
  done = 0
  bytes = 0
  gzipBytes = 0
  /** What of these an interrupted run had done. */
  doneBefore = 0
  bytesBefore = 0
  /** Attempts that failed and were not the last. */
  retried = 0
  /** Files given up. */
  killed = 0
  /** Folders that could not be read. */
  unreadable = 0
  /** Links, sockets, pipes and devices. */
  skipped = 0
  /** One line for each file or folder that is missing from the manifest, the first {@link KEPT} of them. */
  readonly problems: string[] = []
  /** The tasks that began in this run and have not been told to be finished. */
  readonly #begun = new Set<string>()
  readonly #note: (line: string) => void

  /** `note` is told at once what cannot wait for the end. */
  constructor(note: (line: string) => void = () => {}) {
    this.#note = note
  }

  /** Files known of that are neither done nor killed. */
  get left(): number {
    return Math.max(0, this.found - this.done - this.killed)
  }

  /** So many files are known of, at least. */
  see(files: number): void {
    if (!this.foundAll) this.found = Math.max(this.found, files)
  }

  /** So many files there are. */
  seeAll(files: number): void {
    this.found = files
    this.foundAll = true
  }

  /** There is something that is no regular file. */
  skip(): void {
    this.skipped += 1
  }

  /** A task begins, maybe not for the first time. */
  begin(task: string): void {
    this.#begun.add(task)
  }

  /** A file is done; by an interrupted run, where its task has not begun in this one. */
  finish(task: string, { size, gzipSize }: Digest): void {
    this.done += 1
    this.bytes += size
    this.gzipBytes += gzipSize
    if (this.#begun.delete(task)) return
    this.doneBefore += 1
    this.bytesBefore += size
  }

  /** A file was given up. */
  kill(name: FileName, error: unknown): void {
    this.killed += 1
    this.#problem(`${shown(name)}: ${reasonOf(error)}`)
  }

  /** A folder could not be read. */
  miss(folder: FileName, error: unknown): void {
    this.unreadable += 1
    this.#problem(`${shown(folder)}: the folder cannot be read: ${reasonOf(error)}`)
  }

  /** Something is worth a line now. */
  note(line: string): void {
    this.#note(line)
  }

  #problem(line: string): void {
    if (this.problems.length < KEPT) this.problems.push(line)
    else this.#note(line)
  }
}
