import { hash } from 'node:crypto'

import { type Queue, TaskBuilder, type TaskResult } from '@apalis/core'

import type { Digest } from './digest.ts'
import type { ManifestEntry } from './manifest.ts'
import { type BytePath, type FileName, nameOf, toBytes } from './names.ts'
import type { Tally } from './tally.ts'

/** What a collection works with. */
export interface CollectOptions {
  readonly queue: Queue<FileName, FileName, Digest>
  readonly tally: Tally
  /** Nothing will end any more: collect what has ended. */
  readonly over: AbortSignal
}

/**
 * Queues one task for each file, waits for their ends, and gives back the entries of those that are done, in the order of
 * the files. What the queue knows already is not queued again: the id of a task is made of the path.
 */
export async function collect(
  paths: readonly BytePath[],
  { queue, tally, over }: CollectOptions,
): Promise<readonly ManifestEntry[]> {
  const files = paths.map((path) => ({ id: idOf(path), name: nameOf(path) }))
  await queue.pushAll(files.map(({ id, name }) => new TaskBuilder(name).id(id).build()))
  const waiting = new Map<string, FileName>(files.map(({ id, name }) => [id, name]))
  const digests = new Map<string, Digest>()
  const take = ({ id, status, result, error }: TaskResult<Digest>): void => {
    const name = waiting.get(id)
    if (name === undefined) return
    waiting.delete(id)
    if (status === 'done' && result !== undefined) {
      digests.set(id, result)
      tally.finish(result)
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

function idOf(path: BytePath): string {
  return hash('sha256', toBytes(path), 'base64url')
}
