import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

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
    const added = Buffer.alloc(fstatSync(file).size - this.#read)
    readSync(file, added, 0, added.length, this.#read)
    closeSync(file)
    this.#read += added.length
    // Every line was written whole, so nothing comes after the last end of one.
    for (const line of added.toString().split('\n').slice(0, -1)) {
      const [what = '', pid = '', id = '', epoch = '', ...rest] = line.split(' ')
      this.#entries.push({ what, pid: Number(pid), id, epoch: Number(epoch), rest })
    }
    return this.#entries
  }
}
