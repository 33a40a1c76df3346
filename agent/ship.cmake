# The agent's network side.
logtail_library(logtail_agent_ship
  SOURCES
    "${CMAKE_CURRENT_LIST_DIR}/checkpoint_saver.cc"
    "${CMAKE_CURRENT_LIST_DIR}/checkpoint_store.cc"
    "${CMAKE_CURRENT_LIST_DIR}/frame_window.cc"
    "${CMAKE_CURRENT_LIST_DIR}/reconnect_plan.cc"
    "${CMAKE_CURRENT_LIST_DIR}/shipper.cc"
    "${CMAKE_CURRENT_LIST_DIR}/shipper_answers.cc"
    "${CMAKE_CURRENT_LIST_DIR}/shipper_connection.cc"
    "${CMAKE_CURRENT_LIST_DIR}/shipper_session.cc"
    "${CMAKE_CURRENT_LIST_DIR}/shipper_transport.cc"
  DEPS logtail_wire)
# Asio and OpenSSL stay in the .cc files and *_impl.h.
target_link_libraries(logtail_agent_ship PRIVATE logtail_net Boost::boost OpenSSL::SSL OpenSSL::Crypto)
