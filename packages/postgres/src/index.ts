export { PostgresStorage, type PostgresStorageOptions } from './postgres-storage.ts'
export type {
  PostgresClient,
  PostgresConnection,
  PostgresInProcess,
  PostgresNotification,
  PostgresPool,
  PostgresPoolClient,
  PostgresResult,
  PostgresTransaction,
} from './client.ts'
