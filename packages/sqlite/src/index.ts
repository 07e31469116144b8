export { SqliteStorage, type SqliteStorageOptions } from './sqlite-storage.ts'
export type {
  SqliteConnect,
  SqliteConnection,
  SqliteStatement,
  SqliteTransaction,
  SqliteValue,
} from './client.ts'
export type { Synchronous } from './database.ts'
