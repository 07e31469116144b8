import { fstatSync, type Stats } from 'node:fs'
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { turn } from '../../time/clock.ts'
import { copyRange, openFile, readLines, syncFolder, writeAll } from './journal-file.ts'
import { HEADER, JournalReader, noFileOfTasks } from './journal-lines.ts'
import { isForeign, removeLeftover } from './foreign-file.ts'

/** A journal is written anew when it has grown by this at least. */
const SMALLEST_GROWTH = 1_048_576
/** What is left of the tail when everybody has to wait for the rest. */
const SHORT_TAIL = 65_536

/** How a journal is kept. */
export interface JournalOptions {
  readonly path: string
  /** Whether a line is on the disk, and not only with the operating system, before it counts as written. */
  readonly fsync: boolean
}

/** What a journal asks for when it has grown. */
export interface Compaction {
  /** Begins: from now on lines need none before them. The answer gives everything there is, bit by bit. */
  readonly begin: () => Iterable<string>
  /** Ended, by whatever end. */
  readonly end: (error: unknown) => void
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A file that lines are appended to, each whole or not at all; lines of one turn go together. */
export class Journal {
  readonly #path: string
  readonly #fsync: boolean
  #handle: FileHandle
  /** Of whole lines. */
  #bytes: number
  /** In the write under way. */
  #inFlight = 0
  /** A write has failed, and a part of it may stand behind the whole lines. */
  #torn = false
  #compactAt: number
  #text = ''
  #waiting: Waiter[] = []
  #running: Promise<void> | undefined
  #failed: unknown
  #compaction: Compaction | undefined
  #compacting: Promise<void> | undefined
  /** Whoever writes to the file, or exchanges it, follows this. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor({ path, fsync }: JournalOptions, handle: FileHandle, bytes: number) {
    this.#path = path
    this.#fsync = fsync
    this.#handle = handle
    this.#bytes = bytes
    this.#compactAt = bytes + Math.max(SMALLEST_GROWTH, bytes)
  }

  /** Opens a file, made where there is none, and reads it; a last line that is not whole is cut off. */
  static async open(
    options: JournalOptions,
  ): Promise<{ readonly journal: Journal; readonly saved: JournalReader }> {
    const { path } = options
    const handle = await openFile(path)
    try {
      const saved = new JournalReader(path)
      if (await isForeign(handle)) throw noFileOfTasks(path)
      const bytes = await read(handle, saved)
      await handle.truncate(bytes)
      await removeLeftover(compactPath(path))
      const journal = new Journal(options, handle, bytes)
      if (bytes === 0) {
        journal.append(`${HEADER}\n`)
        await journal.flush()
        await syncFolder(path)
      }
      return { journal, saved }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** What the last try to write met, while lines wait because of that. */
  get failure(): unknown {
    return this.#failed
  }

  /** Has the journal written anew when it has grown. */
  compactWith(compaction: Compaction): void {
    this.#compaction = compaction
  }

  /** Adds whole lines. */
  append(lines: string): void {
    this.#text += lines
  }

  /** Settles when everything that was appended is written; rejects when that fails, and then the next flush tries again. */
  flush(): Promise<void> {
    if (this.#text === '' && this.#running === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Writes the journal anew, now. Never rejects: `Compaction.end` is told. */
  compact(): Promise<void> {
    this.#compacting ??= this.#compact().finally(() => {
      this.#compacting = undefined
    })
    return this.#compacting
  }

  /** Writes what was appended, and closes the file. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      // Whatever became of that: it must not go on with a file that is closed, or is another's.
      await this.#compacting
      await this.#handle.close()
    }
  }

  async #run(): Promise<void> {
    // At the end of the turn, so that all calls of it are in.
    await turn()
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      try {
        await this.#exclusive(() => this.#write())
        for (const { resolve } of waiting) resolve()
        if (this.#bytes > this.#compactAt) void this.compact()
      } catch (error) {
        for (const { reject } of waiting.concat(this.#waiting.splice(0))) reject(error)
      }
    }
    this.#running = undefined
  }

  /** One after the other. */
  #exclusive<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  async #write(): Promise<void> {
    const text = this.#text
    if (text === '') return
    const bytes = Buffer.from(text)
    this.#text = ''
    this.#inFlight = bytes.length
    try {
      const file = await this.#asItWas()
      this.#torn = true
      const written = writeAll(this.#handle, bytes, this.#bytes)
      // Both: what is cut off after a failure must not be on its way.
      const [here] = await Promise.all([this.#isNamed(file), written])
      if (!here) throw moved()
      if (this.#fsync) await this.#handle.datasync()
      this.#bytes += bytes.length
      this.#torn = false
      this.#failed = undefined
    } catch (error) {
      // It comes before everything else. Part of it may be there, and what is written instead be shorter.
      this.#text = text + this.#text
      this.#failed = error
      await this.#cutOff().catch(() => undefined)
      throw error
    } finally {
      this.#inFlight = 0
    }
  }

  /** Takes away what a write has left that failed. */
  async #cutOff(): Promise<void> {
    if (!this.#torn) return
    await this.#handle.truncate(this.#bytes)
    this.#torn = false
  }

  /** The file. Throws when it is not as it was left: what is written next would not stand where a reader looks for it. */
  async #asItWas(): Promise<Stats> {
    await this.#cutOff()
    // In turn: what the system knows of an open file costs less than a way through the threads, and a push waits for it.
    const file = fstatSync(this.#handle.fd)
    if (file.size === this.#bytes) return file
    throw new Error(
      `another program has written to the file: it has ${file.size} bytes, and had ${this.#bytes}`,
    )
  }

  /** Whether the file that is written to is the one at the path. */
  async #isNamed(file: Stats): Promise<boolean> {
    const named = await stat(this.#path).catch(() => undefined)
    return named?.ino === file.ino && named.dev === file.dev
  }

  async #compact(): Promise<void> {
    const compaction = this.#compaction
    if (compaction === undefined) return
    const path = compactPath(this.#path)
    let next: FileHandle | undefined
    let made = false
    try {
      // What is on its way by now was changed before the snapshot begins, and is in it.
      const from = this.#bytes + this.#inFlight + Buffer.byteLength(this.#text)
      const lines = compaction.begin()
      // What is there by now is somebody else's.
      next = await open(path, 'wx+')
      made = true
      const bytes = await writeSnapshot(next, lines)
      const old = await this.#replaceBy(next, path, { from, bytes })
      next = undefined
      await old.close()
      compaction.end(undefined)
    } catch (error) {
      // The journal goes on as it is, and grows.
      this.#compactAt = this.#bytes * 2
      await next?.close().catch(() => undefined)
      if (made) await unlink(path).catch(() => undefined)
      compaction.end(error)
    }
  }

  /** Puts `next` in the place of the file, once it has everything that was written `from` there on. Gives back the old one. */
  async #replaceBy(
    next: FileHandle,
    path: string,
    { from, bytes }: { readonly from: number; readonly bytes: number },
  ): Promise<FileHandle> {
    while (this.#bytes < from) await this.flush()
    const copy = async (copied: number): Promise<number> => {
      const end = this.#bytes
      await copyRange(this.#handle, next, { from: from + copied, end, to: bytes + copied })
      return end - from
    }
    let copied = 0
    let tail = this.#bytes - from
    // As long as that gains on those who write.
    for (let before = Infinity; tail > SHORT_TAIL && tail * 2 < before;) {
      before = tail
      copied = await copy(copied)
      tail = this.#bytes - from - copied
    }
    return this.#exclusive(async () => {
      copied = await copy(copied)
      await next.sync()
      if (!(await this.#isNamed(await this.#asItWas()))) throw moved()
      await rename(path, this.#path)
      const old = this.#handle
      this.#handle = next
      this.#bytes = bytes + copied
      // Not before it has grown by as much as there was to write anew.
      this.#compactAt = this.#bytes + Math.max(SMALLEST_GROWTH, bytes)
      await syncFolder(this.#path)
      return old
    })
  }
}

function moved(): Error {
  return new Error('the file was moved, deleted or replaced')
}

/** Reads a journal; answers with how many bytes of it are whole lines. */
async function read(handle: FileHandle, saved: JournalReader): Promise<number> {
  const { bytes, rest } = await readLines(handle, (line) => saved.read(line))
  if (rest.length === 0) return bytes
  if (saved.isWhole(rest)) {
    saved.read(rest)
    return bytes + rest.length + (await writeAll(handle, Buffer.from('\n'), bytes + rest.length))
  }
  // A part of the first line is a journal that was never begun; anything else there is none of ours.
  if (bytes === 0 && !HEADER.startsWith(rest.toString('utf8'))) saved.read(rest)
  return bytes
}

async function writeSnapshot(handle: FileHandle, lines: Iterable<string>): Promise<number> {
  let bytes = await writeAll(handle, Buffer.from(`${HEADER}\n`), 0)
  for (const line of lines) bytes += await writeAll(handle, Buffer.from(line), bytes)
  return bytes
}

function compactPath(path: string): string {
  return `${path}.new`
}
