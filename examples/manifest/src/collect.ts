import { hash } from 'node:crypto'
import { lstat } from 'node:fs/promises'

import { type Queue, TaskBuilder, type TaskResult } from '@apalis/core'

import type { Digest } from './digest.ts'
import type { ManifestEntry } from './manifest.ts'
import { below, type BytePath, type FileName, nameOf, toBytes } from './names.ts'
import type { Tally } from './tally.ts'

/** What a collection works with. */
export interface CollectOptions {
  /** The absolute path of the folder that the files lie in. */
  readonly folder: Buffer
  readonly queue: Queue<FileName, FileName, Digest>
  readonly tally: Tally
  /** Nothing will end any more: collect what has ended. */
  readonly over: AbortSignal
}

/**
 * Queues one task for each file, waits for their ends, and gives back the entries of those that are done, in the order of
 * the files. What the queue knows already is not queued again.
 */
export async function collect(
  paths: readonly BytePath[],
  { folder, queue, tally, over }: CollectOptions,
): Promise<readonly ManifestEntry[]> {
  const files = await Promise.all(
    paths.map(async (path) => ({ id: await idOf(folder, path), name: nameOf(path) })),
  )
  const waiting = new Map<string, FileName>(files.map(({ id, name }) => [id, name]))
  await queue.pushAll(files.map(({ id, name }) => new TaskBuilder(name).id(id).build()))
  const digests = new Map<string, Digest>()
  const take = ({ id, status, result, error }: TaskResult<Digest>): void => {
    const name = waiting.get(id)
    if (name === undefined) return
    waiting.delete(id)
    if (status === 'done' && result !== undefined) {
      digests.set(id, result)
      tally.finish(id, result)
    } else {
      tally.kill(name, error ?? new Error('its result is not stored any more'))
    }
  }
  try {
    for await (const result of queue.waitFor([...waiting.keys()], { signal: over })) take(result)
  } catch (error) {
    if (!over.aborted) throw error
    for (const result of await queue.checkStatus([...waiting.keys()])) {
      if (result.status === 'done' || result.status === 'killed') take(result)
    }
  }
  return files.flatMap(({ id, name }) => {
    const digest = digests.get(id)
    return digest === undefined ? [] : [{ ...name, ...digest }]
  })
}

/**
 * The id of the task of a file: another one as soon as the file is another, so that a hash of before an interruption is
 * never taken for that of a file that has changed since.
 */
async function idOf(folder: Buffer, path: BytePath): Promise<string> {
  const bytes = toBytes(path)
  const state = Buffer.from(`\0${await stateOf(below(folder, bytes))}`)
  return hash('sha256', Buffer.concat([bytes, state]), 'base64url')
}

/** What changes with a file: the time of its last change as well, since the other times can be set. */
async function stateOf(file: Buffer): Promise<string> {
  try {
    const { size, mtimeNs, ctimeNs } = await lstat(file, { bigint: true })
    return [size, mtimeNs, ctimeNs].join(' ')
  } catch {
    // Why it cannot be looked at, reading it will tell.
    return ''
  }
}
