import { realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'

import { type Clock, Monitor, Shutdown, systemClock } from '@apalis/core'

import { collect } from './collect.ts'
import { grouped, inOrder } from './in-order.ts'
import { takeLock } from './lock.ts'
import { ManifestWriter } from './manifest.ts'
import { type BytePath, type FileName, toBytePath } from './names.ts'
import { filesAt, type Places, placesFor } from './places.ts'
import { leftovers, retryKilled } from './leftovers.ts'
import { openStore, type Store } from './store.ts'
import type { Tally } from './tally.ts'
import { walk, type WalkOptions } from './walk.ts'
import { addWorkers, type WorkersOptions } from './workers.ts'

/** So many files are queued together. */
const GROUP = 250
/**
 * What bounds the memory, in groups: as many tasks are in the queue, and so far may the manifest be behind, while one large
 * file keeps those after it waiting for their place.
 */
const BOUNDS = { atOnce: 40, ahead: 1_000 }

/** What to do, and whom to tell. */
export interface RunOptions extends WorkersOptions {
  /** Where the manifest goes. */
  readonly output: string
  /** Files that are not to be in it. @default none */
  readonly except?: readonly string[]
  /** Its start ends the run as Ctrl-C does. @default one of its own */
  readonly shutdown?: Shutdown
  /** @default the system's */
  readonly clock?: Clock
}

/**
 * Writes the manifest of a folder: one task for each file, run by several workers under one monitor. True: the manifest is
 * written. False: SIGINT, SIGTERM or the shutdown came before; the tally says what is left. The next call for the same
 * folder and manifest goes on from there, also where this one ended in no such good order.
 */
export async function writeManifest(options: RunOptions): Promise<boolean> {
  const { shutdown = new Shutdown(), clock = systemClock } = options
  const places = await placesFor(options.folder, options.output)
  using lock = takeLock(places.lock)
  if (lock === undefined) {
    throw new Error(`another run hashes '${options.folder}' for '${options.output}' now`)
  }
  await using store = await openStore(places.queue, clock)
  await using writer = await ManifestWriter.open(options.output, places.temporary)
  for (const line of await leftovers(store, new Date(clock.now()))) options.tally.note(line)
  await retryKilled(store)
  const monitor = new Monitor({ shutdown, clock })
  addWorkers(monitor, store, options)
  const over = new AbortController()
  const running = monitor.runWithSignal().finally(() => over.abort())
  // Heard at the end: what it cuts off comes first.
  running.catch(() => {})
  const run = {
    store,
    places,
    over: over.signal,
    halted: AbortSignal.any([shutdown.signal, over.signal]),
  }
  let written: boolean
  try {
    written = await fill(writer, run, options)
  } finally {
    shutdown.start()
    await running
  }
  // Only now: from here on nothing is left to go on with.
  if (written) await store.remove()
  return written
}

/** What a run goes on with. */
interface Run {
  readonly store: Store
  readonly places: Places
  /** Queue no more. */
  readonly halted: AbortSignal
  /** No worker runs any more. */
  readonly over: AbortSignal
}

/** Puts every file of the folder into the manifest. True: the manifest is in its place. */
async function fill(writer: ManifestWriter, run: Run, options: RunOptions): Promise<boolean> {
  const { tally } = options
  const { store, over } = run
  const folder = Buffer.from(options.folder)
  const groups = inOrder(grouped(filesOf(run, options), GROUP), BOUNDS, (group) =>
    collect(group, { folder, queue: store.files, tally, over }),
  )
  for await (const entries of groups) await writer.add(entries)
  // Halted, even so nothing may be missing.
  if (!tally.foundAll || tally.left > 0) return false
  await writer.commit()
  return true
}

/** The files to be hashed; while they are walked, a second walk that waits for nobody counts them. */
async function* filesOf(
  { places, halted }: Run,
  { folder, output, except: others = [], tally }: RunOptions,
): AsyncGenerator<BytePath> {
  const root = Buffer.from(folder)
  const except = await placesIn(folder, [output, ...filesAt(places), ...others])
  const walked = new AbortController()
  void countFiles(root, { except, signal: AbortSignal.any([halted, walked.signal]) }, tally)
  let files = 0
  const unreadable = (path: FileName, error: unknown): void => tally.miss(path, error)
  const skipped = (): void => tally.skip()
  for await (const path of walk(root, { except, signal: halted, unreadable, skipped })) {
    files += 1
    tally.see(files)
    yield path
  }
  walked.abort()
  if (!halted.aborted) tally.seeAll(files)
}

async function countFiles(
  folder: Buffer,
  options: WalkOptions & { readonly signal: AbortSignal },
  tally: Tally,
): Promise<void> {
  let files = 0
  try {
    for await (const _ of walk(folder, options)) {
      files += 1
      tally.see(files)
    }
    if (!options.signal.aborted) tally.seeAll(files)
  } catch {
    // The walk that matters meets it too.
  }
}

/** Where the given files lie below the folder; one that lies elsewhere gets a path that no walk ever finds. */
async function placesIn(folder: string, paths: readonly string[]): Promise<ReadonlySet<BytePath>> {
  const root = await realpath(folder)
  const places = paths.map(async (path) => {
    const place = relative(root, join(await realpath(dirname(path)), basename(path)))
    return toBytePath(place.split(sep).join('/'))
  })
  return new Set(await Promise.all(places))
}
