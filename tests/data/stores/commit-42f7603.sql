PRAGMA user_version = 2;
PRAGMA application_id = 1212765260;
BEGIN TRANSACTION;
CREATE TABLE "checkpoints" (
   "id" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "sha256" TEXT NOT NULL,
   "updates" INTEGER NOT NULL,
   "env_steps" INTEGER NOT NULL,
   "kind" TEXT NOT NULL,
   "config" TEXT NOT NULL,
   "parent" INTEGER REFERENCES "checkpoints"("id"),
   "best" INTEGER NOT NULL DEFAULT 0,
   "created" TEXT NOT NULL
) STRICT;
INSERT INTO "checkpoints" VALUES(1,'000000100-aaaaaaaa.safetensors','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',100,20,'train','{"gamma": 0.99}',NULL,0,'2026-11-25T23:37:32.491Z');
CREATE TABLE "corners" (
   "id" INTEGER PRIMARY KEY,
   "track" TEXT NOT NULL,
   "name" TEXT NOT NULL,
   "from_m" REAL NOT NULL,
   "to_m" REAL NOT NULL,
   "source" TEXT NOT NULL
) STRICT;
CREATE TABLE "episodes" (
   "id" INTEGER PRIMARY KEY,
   "session_id" INTEGER NOT NULL REFERENCES "sessions"("id"),
   "number" INTEGER NOT NULL,
   "purpose" TEXT NOT NULL,
   "seed" INTEGER,
   "checkpoint_id" INTEGER REFERENCES "checkpoints"("id"),
   "started" TEXT NOT NULL,
   "ended" TEXT,
   "end" TEXT,
   "reason" TEXT,
   "length" INTEGER NOT NULL DEFAULT 0,
   "return" REAL,
   "max_progress" REAL,
   "last_observation" BLOB,
   "origin" TEXT,
   "revision" INTEGER
) STRICT;
INSERT INTO "episodes" VALUES(1,1,0,'drive',NULL,NULL,'2026-11-25T23:37:32.449Z','2026-11-25T23:37:32.449Z','terminated','finish',12,33.0,11.0,X'00004041000040410000404100004041',NULL,2);
INSERT INTO "episodes" VALUES(2,1,1,'drive',NULL,NULL,'2026-11-25T23:37:32.449Z','2026-11-25T23:37:32.449Z','terminated','finish',8,14.0,7.0,X'00000041000000410000004100000041',NULL,4);
CREATE TABLE "events" (
   "id" INTEGER PRIMARY KEY,
   "session_id" INTEGER REFERENCES "sessions"("id"),
   "at" TEXT NOT NULL,
   "level" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "message" TEXT NOT NULL,
   "data" TEXT
) STRICT;
CREATE TABLE "judgements" (
   "id" INTEGER PRIMARY KEY,
   "batch" INTEGER NOT NULL,
   "segment_id" INTEGER NOT NULL REFERENCES "segments"("id"),
   "at" TEXT NOT NULL,
   "by" TEXT NOT NULL,
   "before" TEXT NOT NULL,
   "after" TEXT NOT NULL,
   "undone" TEXT
) STRICT;
INSERT INTO "judgements" VALUES(1,1,1,'2026-11-25T23:37:32.508Z','player','{"verdict": "unreviewed", "priority": 1.0, "note": "", "trim_start": 0, "trim_stop": 0, "judged_by": null, "judged_at": null, "tags": []}','{"verdict": "star", "priority": 1.0, "note": "late", "trim_start": 0, "trim_stop": 0, "judged_by": "player", "judged_at": "2026-11-25T23:37:32.508Z", "tags": ["wet"]}',NULL);
CREATE TABLE "metrics" (
   "id" INTEGER PRIMARY KEY,
   "updates" INTEGER NOT NULL,
   "name" TEXT NOT NULL,
   "value" REAL,
   "at" TEXT NOT NULL
) STRICT;
INSERT INTO "metrics" VALUES(1,100,'losses/loss_critic',0.5,'2026-11-25T23:37:32.505Z');
CREATE TABLE "segments" (
   "id" INTEGER PRIMARY KEY,
   "session_id" INTEGER NOT NULL REFERENCES "sessions"("id"),
   "episode_id" INTEGER NOT NULL REFERENCES "episodes"("id"),
   "number" INTEGER NOT NULL,
   "kind" TEXT NOT NULL,
   "trigger" TEXT NOT NULL DEFAULT '',
   "corner" TEXT,
   "start" INTEGER NOT NULL,
   "stop" INTEGER,
   "trim_start" INTEGER NOT NULL DEFAULT 0,
   "trim_stop" INTEGER NOT NULL DEFAULT 0,
   "priority" REAL NOT NULL DEFAULT 1.0,
   "verdict" TEXT NOT NULL DEFAULT 'unreviewed',
   "outcome" TEXT NOT NULL DEFAULT 'unclear',
   "interrupted" INTEGER NOT NULL DEFAULT 0,
   "note" TEXT NOT NULL DEFAULT '',
   "judged_by" TEXT,
   "judged_at" TEXT,
   "started" TEXT NOT NULL,
   "revision" INTEGER
) STRICT;
INSERT INTO "segments" VALUES(1,1,1,0,'takeover','stick','hairpin',5,9,0,0,1.0,'star','cleared',0,'late','player','2026-11-25T23:37:32.508Z','2026-11-25T23:37:32.449Z',3);
CREATE TABLE "sessions" (
   "id" INTEGER PRIMARY KEY,
   "uuid" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "env" TEXT NOT NULL,
   "track" TEXT NOT NULL,
   "hz" REAL NOT NULL,
   "observation_names" TEXT NOT NULL,
   "action_names" TEXT NOT NULL,
   "reward" TEXT,
   "frame_shape" TEXT,
   "seed" INTEGER,
   "driver" TEXT,
   "started" TEXT NOT NULL,
   "ended" TEXT,
   "status" TEXT NOT NULL,
   "source" TEXT
) STRICT;
INSERT INTO "sessions" VALUES(1,'5361b83b25e249fbb29b5956947a738b','play','box2d','hairpin',20.0,'["speed", "left", "right", "yaw"]','["gas_brake", "steer"]','{"progress": 1.0}',NULL,3,'scripted','2026-11-25T23:37:32.365Z','2026-11-25T23:37:32.449Z','ended',NULL);
CREATE TABLE "steps" (
   "id" INTEGER PRIMARY KEY,
   "episode_id" INTEGER NOT NULL REFERENCES "episodes"("id"),
   "t" INTEGER NOT NULL,
   "driver" INTEGER NOT NULL,
   "reward" REAL NOT NULL,
   "terminated" INTEGER NOT NULL,
   "truncated" INTEGER NOT NULL,
   "progress" REAL,
   "x" REAL,
   "y" REAL,
   "z" REAL,
   "heading" REAL,
   "speed" REAL,
   "risk" REAL,
   "checkpoint_id" INTEGER REFERENCES "checkpoints"("id"),
   "observation" BLOB NOT NULL,
   "executed" BLOB NOT NULL,
   "proposed" BLOB NOT NULL
) STRICT;
INSERT INTO "steps" VALUES(1,1,0,0,0.0,0,0,0.0,0.0,0.0,0.0,0.1,12.0,NULL,NULL,X'00000000000000000000000000000000',X'0000803E0000803E',X'000080BE000080BE');
INSERT INTO "steps" VALUES(2,1,1,0,0.5,0,0,1.0,1.0,2.0,0.0,0.1,12.0,NULL,NULL,X'0000803F0000803F0000803F0000803F',X'0000A03F0000A03F',X'0000403F0000403F');
INSERT INTO "steps" VALUES(3,1,2,0,1.0,0,0,2.0,2.0,4.0,0.0,0.1,12.0,NULL,NULL,X'00000040000000400000004000000040',X'0000104000001040',X'0000E03F0000E03F');
INSERT INTO "steps" VALUES(4,1,3,0,1.5,0,0,3.0,3.0,6.0,0.0,0.1,12.0,NULL,NULL,X'00004040000040400000404000004040',X'0000504000005040',X'0000304000003040');
INSERT INTO "steps" VALUES(5,1,4,0,2.0,0,0,4.0,4.0,8.0,0.0,0.1,12.0,NULL,NULL,X'00008040000080400000804000008040',X'0000884000008840',X'0000704000007040');
INSERT INTO "steps" VALUES(6,1,5,1,2.5,0,0,5.0,5.0,10.0,0.0,0.1,12.0,NULL,NULL,X'0000A0400000A0400000A0400000A040',X'0000A8400000A840',X'0000984000009840');
INSERT INTO "steps" VALUES(7,1,6,1,3.0,0,0,6.0,6.0,12.0,0.0,0.1,12.0,NULL,NULL,X'0000C0400000C0400000C0400000C040',X'0000C8400000C840',X'0000B8400000B840');
INSERT INTO "steps" VALUES(8,1,7,1,3.5,0,0,7.0,7.0,14.0,0.0,0.1,12.0,NULL,NULL,X'0000E0400000E0400000E0400000E040',X'0000E8400000E840',X'0000D8400000D840');
INSERT INTO "steps" VALUES(9,1,8,1,4.0,0,0,8.0,8.0,16.0,0.0,0.1,12.0,NULL,NULL,X'00000041000000410000004100000041',X'0000044100000441',X'0000F8400000F840');
INSERT INTO "steps" VALUES(10,1,9,0,4.5,0,0,9.0,9.0,18.0,0.0,0.1,12.0,NULL,NULL,X'00001041000010410000104100001041',X'0000144100001441',X'00000C4100000C41');
INSERT INTO "steps" VALUES(11,1,10,0,5.0,0,0,10.0,10.0,20.0,0.0,0.1,12.0,NULL,NULL,X'00002041000020410000204100002041',X'0000244100002441',X'00001C4100001C41');
INSERT INTO "steps" VALUES(12,1,11,0,5.5,0,0,11.0,11.0,22.0,0.0,0.1,12.0,NULL,NULL,X'00003041000030410000304100003041',X'0000344100003441',X'00002C4100002C41');
INSERT INTO "steps" VALUES(13,2,0,0,0.0,0,0,0.0,0.0,0.0,0.0,0.1,12.0,NULL,NULL,X'00000000000000000000000000000000',X'0000803E0000803E',X'000080BE000080BE');
INSERT INTO "steps" VALUES(14,2,1,0,0.5,0,0,1.0,1.0,2.0,0.0,0.1,12.0,NULL,NULL,X'0000803F0000803F0000803F0000803F',X'0000A03F0000A03F',X'0000403F0000403F');
INSERT INTO "steps" VALUES(15,2,2,0,1.0,0,0,2.0,2.0,4.0,0.0,0.1,12.0,NULL,NULL,X'00000040000000400000004000000040',X'0000104000001040',X'0000E03F0000E03F');
INSERT INTO "steps" VALUES(16,2,3,0,1.5,0,0,3.0,3.0,6.0,0.0,0.1,12.0,NULL,NULL,X'00004040000040400000404000004040',X'0000504000005040',X'0000304000003040');
INSERT INTO "steps" VALUES(17,2,4,0,2.0,0,0,4.0,4.0,8.0,0.0,0.1,12.0,NULL,NULL,X'00008040000080400000804000008040',X'0000884000008840',X'0000704000007040');
INSERT INTO "steps" VALUES(18,2,5,0,2.5,0,0,5.0,5.0,10.0,0.0,0.1,12.0,NULL,NULL,X'0000A0400000A0400000A0400000A040',X'0000A8400000A840',X'0000984000009840');
INSERT INTO "steps" VALUES(19,2,6,0,3.0,0,0,6.0,6.0,12.0,0.0,0.1,12.0,NULL,NULL,X'0000C0400000C0400000C0400000C040',X'0000C8400000C840',X'0000B8400000B840');
INSERT INTO "steps" VALUES(20,2,7,0,3.5,0,0,7.0,7.0,14.0,0.0,0.1,12.0,NULL,NULL,X'0000E0400000E0400000E0400000E040',X'0000E8400000E840',X'0000D8400000D840');
CREATE TABLE "tags" (
   "segment_id" INTEGER REFERENCES "segments"("id"),
   "tag" TEXT,
   PRIMARY KEY ("segment_id", "tag")
) STRICT;
INSERT INTO "tags" VALUES(1,'wet');
CREATE UNIQUE INDEX "idx_sessions_uuid"
    ON "sessions" ("uuid");
CREATE INDEX "idx_checkpoints_sha256"
    ON "checkpoints" ("sha256");
CREATE UNIQUE INDEX "idx_episodes_session_id_number"
    ON "episodes" ("session_id", "number");
CREATE INDEX "idx_episodes_checkpoint_id"
    ON "episodes" ("checkpoint_id");
CREATE INDEX "idx_episodes_revision"
    ON "episodes" ("revision");
CREATE UNIQUE INDEX idx_episodes_origin ON episodes(origin) WHERE origin IS NOT NULL;
CREATE UNIQUE INDEX "idx_steps_episode_id_t"
    ON "steps" ("episode_id", "t");
CREATE UNIQUE INDEX "idx_segments_session_id_number"
    ON "segments" ("session_id", "number");
CREATE INDEX "idx_segments_episode_id"
    ON "segments" ("episode_id");
CREATE INDEX "idx_segments_revision"
    ON "segments" ("revision");
CREATE INDEX "idx_judgements_segment_id"
    ON "judgements" ("segment_id");
CREATE UNIQUE INDEX "idx_corners_track_name"
    ON "corners" ("track", "name");
CREATE INDEX "idx_metrics_name_updates"
    ON "metrics" ("name", "updates");
CREATE INDEX "idx_events_session_id_at"
    ON "events" ("session_id", "at");
CREATE TRIGGER episodes_added AFTER INSERT ON episodes BEGIN UPDATE episodes SET revision = (SELECT coalesce(max(revision), 0) + 1 FROM episodes) WHERE id = NEW.id; END;
CREATE TRIGGER episodes_changed AFTER UPDATE OF end, purpose, last_observation, length ON episodes BEGIN UPDATE episodes SET revision = (SELECT coalesce(max(revision), 0) + 1 FROM episodes) WHERE id = NEW.id; END;
CREATE TRIGGER segments_added AFTER INSERT ON segments BEGIN UPDATE segments SET revision = (SELECT coalesce(max(revision), 0) + 1 FROM segments) WHERE id = NEW.id; END;
CREATE TRIGGER segments_changed AFTER UPDATE OF start, stop, trim_start, trim_stop, priority, verdict, outcome, interrupted ON segments BEGIN UPDATE segments SET revision = (SELECT coalesce(max(revision), 0) + 1 FROM segments) WHERE id = NEW.id; END;
CREATE VIEW "takeovers" AS 
        SELECT g.id, g.started, s.track, g.corner, round((g.stop - g.start - g.trim_start - g.trim_stop) / s.hz, 2) AS seconds,
               g.outcome, g.verdict, g.priority, g."trigger", s.driver,
               (SELECT group_concat(tag, ', ') FROM tags WHERE segment_id = g.id) AS tags, g.note, g.judged_by, g.judged_at,
               g.session_id, g.episode_id
        FROM segments g JOIN sessions s ON s.id = g.session_id WHERE g.kind = 'takeover' AND g.stop > g.start;
CREATE VIEW "drives" AS 
        SELECT e.id, e.started, s.kind AS session_kind, s.env, s.track, e.purpose, e.length AS steps,
               round(e.length / s.hz, 1) AS seconds,
               (SELECT round(sum(g.stop - g.start) / s.hz, 1) FROM segments g WHERE g.episode_id = e.id AND g.kind = 'takeover')
               AS seconds_of_takeover,
               round(e."return", 2) AS "return", round(e.max_progress, 1) AS farthest_m, e."end", e.reason,
               c.name AS checkpoint, e.session_id
        FROM episodes e JOIN sessions s ON s.id = e.session_id LEFT JOIN checkpoints c ON c.id = e.checkpoint_id;
COMMIT;
