import { closeSync, openSync, readSync, writeSync } from 'node:fs'

/** What was noted, in the order in which it was. */
export interface Entry {
  readonly what: string
  /** Of the process that noted it. */
  readonly pid: number
  /** The id of a task, more often than not. */
  readonly id: string
  readonly epoch: number
  readonly rest: readonly string[]
}

/** Notes a line at the end of a file that several processes write to: each line is one write, so none is torn. */
export type Note = (what: string, id: string, epoch?: number, ...rest: readonly unknown[]) => void

/** Opens the file for notes of this process. */
export function openLog(path: string): { readonly note: Note; readonly close: () => void } {
  const file = openSync(path, 'a')
  return {
    note: (what, id, epoch = 0, ...rest) => {
      const words = [what, process.pid, id, epoch, ...rest]
      writeSync(file, `${words.join(' ').replaceAll('\n', ' ')}\n`)
    },
    close: () => closeSync(file),
  }
}

/** So many bytes are read at a time. */
const PART = 2 ** 20

/** Reads what all have noted, as it grows. */
export class Log {
  readonly path: string
  readonly #entries: Entry[] = []
  #read = 0

  constructor(path: string) {
    this.path = path
    closeSync(openSync(path, 'a'))
  }

  /** What was noted so far. */
  entries(): readonly Entry[] {
    const file = openSync(this.path, 'r')
    const part = Buffer.alloc(PART)
    for (;;) {
      const length = readSync(file, part, 0, PART, this.#read)
      // What comes after the last end of a line is read the next time.
      const end = part.subarray(0, length).lastIndexOf('\n') + 1
      if (end === 0) break
      this.#read += end
      for (const line of part.toString('utf8', 0, end - 1).split('\n')) {
        const [what = '', pid = '', id = '', epoch = '', ...rest] = line.split(' ')
        this.#entries.push({ what, pid: Number(pid), id, epoch: Number(epoch), rest })
      }
    }
    closeSync(file)
    return this.#entries
  }
}
