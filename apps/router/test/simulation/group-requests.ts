export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly leader: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly assignment: Buffer;
}

export interface JoinRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Buffer;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
}

/** Who asks, as it knows itself. */
export interface Asking {
  readonly memberId: string;
  readonly generation: number;
  readonly instanceId: string | null;
}
