#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipi/session.hpp"
#include "mdbridge/visibility.hpp"

namespace mdbridge::ipi {

/// Where a forcefield of i-PI listens, and which forces it wants.
struct Service {
  /// As the user wrote it: "unix:cons=conservative".
  std::string text;
  ForceKind kind = ForceKind::conservative;
  Transport transport = Transport::stream;
  /// Name of a unix socket; empty for TCP.
  std::string socket_name;
  std::string host;
  int port = 0;
};

/// Parses "unix:NAME", "shm:NAME" or "HOST:PORT", each with or without "=conservative" or "=direct"
/// (conservative if left out). Throws Error.
MDBRIDGE_API Service parse_service(const std::string& text);

struct ClientOptions {
  /// How long to wait for i-PI to open its sockets, s.
  double timeout = 30.0;
  /// How long a message may stop half-way before the server is given up, s.
  double stall_timeout = 60.0;
  /// What i-PI puts before the name of a unix socket.
  std::string sockets_prefix = "/tmp/ipi_";
  /// Called now and then, also while waiting; ends the client by throwing.
  std::function<void()> check_interrupt;
  /// Told what happens, line by line.
  std::function<void(const std::string&)> log;
};

class Connection;

/// Answers the forcefields of an i-PI simulation over sockets, all from one thread.
class MDBRIDGE_API Client {
 public:
  /// Announces the services to the session; throws ModelError if the model lacks the forces.
  Client(std::shared_ptr<Session> session, const std::vector<Service>& services,
         ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Connect, and answer until i-PI says EXIT. Throws Error, a sentence, if there is no server, if
  /// it goes away or sends nonsense, or if the model fails.
  void run();

  /// How many addresses it answers.
  std::size_t services() const { return connections_.size(); }

 private:
  using Clock = std::chrono::steady_clock;

  void log(const std::string& line) const;
  bool all_finished() const;
  void connect_waiting();
  void wait_for_messages();
  void check_stalled() const;
  void evaluate_pending();
  void lost(Connection& connection);

  std::shared_ptr<Session> session_;
  ClientOptions options_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Clock::time_point deadline_;
};

}  // namespace mdbridge::ipi
