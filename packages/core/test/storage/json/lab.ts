import { mkdtempSync, rmSync } from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { JsonStore, type JsonStoreOptions } from '../../../src/storage/json/json-store.ts'
import type { NewRow, StoreWorker } from '../../../src/storage/task-store.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'

export const queue = 'emails'
export const worker: StoreWorker = { id: 'w', queue, name: 'w', leaseMs: 30_000, layers: [] }

const folders: string[] = []

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is deleted after the tests. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'apalis-json-'))
  folders.push(folder)
  return folder
}

/** Where a file may be made. */
export function newPath(): string {
  return join(newFolder(), 'tasks.jsonl')
}

/** Opens a file of tasks. */
export function open(path: string, options: Partial<JsonStoreOptions> = {}): Promise<JsonStore> {
  return JsonStore.open({
    path,
    clock: new TestClock(),
    keepFinished: 100,
    fsync: false,
    ...options,
  })
}

export function row(id: string, rest: Partial<NewRow> = {}): NewRow {
  return { id, args: '{"n":1}', priority: 0, attempts: 5, ...rest }
}

/** The ids of what is stored, in order. */
export async function idsOf(store: JsonStore): Promise<readonly string[]> {
  return (await store.list(queue, { offset: 0, limit: 1_000 })).map(({ id }) => id)
}

/** What all open files have their methods from. */
export async function handles(): Promise<FileHandle> {
  const any = await openFile(fileURLToPath(import.meta.url))
  await any.close()
  return Object.getPrototypeOf(any) as FileHandle
}
