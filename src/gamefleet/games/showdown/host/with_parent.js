// Loaded before the server (node --require). It says in the file `listening` on which port the server really listens:
// its own line in the log comes too early for that. And it ends the server, with its folder of temporary files, once the
// process that started it is gone, however that ended; its end of our standard input is then closed.
"use strict";
const fs = require("fs");
const net = require("net");
const path = require("path");
const folder = process.cwd();

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...place) {
  this.once("listening", () => {
    const address = this.address();
    if (address) fs.writeFileSync(path.join(folder, "listening"), `${address.port ?? ""}`);
  });
  return listen.apply(this, place);
};

process.stdin.on("end", () => {
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
process.stdin.resume();
