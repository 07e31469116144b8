import { open, readFile, watch } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The paths of the tasks that began, and of those that were told to be done, in order. */
export interface Events {
  readonly engage: readonly string[]
  readonly success: readonly string[]
}

/** What stands in a log of events. */
export async function readEvents(log: string): Promise<Events> {
  const lines = (await readFile(log, 'utf8')).split('\n').slice(0, -1)
  const events: { event: string; path: string }[] = lines.map((line) => JSON.parse(line))
  const paths = (type: string): string[] =>
    events.flatMap(({ event, path }) => (event === type ? [path] : []))
  return { engage: paths('engage'), success: paths('success') }
}

/** Settles once a log of events has so many of these. */
export async function untilEvents(log: string, event: keyof Events, count: number): Promise<void> {
  const over = new AbortController()
  // Watched before it is looked at, so that nothing comes in between.
  const changes = watch(dirname(log), { signal: over.signal })
  const mark = `"event":"${event}"`
  let [from, found, rest] = [0, 0, '']
  const look = async (): Promise<boolean> => {
    const text = rest + (await readFrom(log, from))
    from += text.length - rest.length
    const lines = text.split('\n')
    rest = lines.pop() ?? ''
    found += lines.filter((line) => line.includes(mark)).length
    return found >= count
  }
  try {
    if (await look()) return
    for await (const _ of changes) if (await look()) return
  } finally {
    over.abort()
  }
}

/** One character a byte: the positions are those of the file. */
async function readFrom(path: string, position: number): Promise<string> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(size - position), 0, size - position, position)
    return buffer.toString('latin1')
  } catch (error) {
    // Not there yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
